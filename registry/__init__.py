"""Holiday Registry: a gift registry that is open for five minutes, on Azure Durable Functions."""

__version__ = "1.0.0"
