"""The GraphQL schema: what clients see of the store and of the live feed."""
