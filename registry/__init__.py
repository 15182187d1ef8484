"""Holiday Registry: a gift registry that lives five minutes, on Azure Durable Functions."""

__version__ = "1.0.0"
