"""What Durable Functions sees: entities, orchestrations, activities, and the client's side of them."""
