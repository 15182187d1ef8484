"""What Durable Functions sees: entities, orchestrators, activities, and what calls them."""
