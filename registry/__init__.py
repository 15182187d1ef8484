"""Holiday Registry: a gift registry that lives five minutes, on Azure Durable Functions."""
