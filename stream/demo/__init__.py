"""A made-up fleet of pumps to show what Foreshock does, and the judge of it."""
