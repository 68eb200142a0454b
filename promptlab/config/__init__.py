"""From a composed configuration to checked settings: schema, resolvers, checks, targets."""
