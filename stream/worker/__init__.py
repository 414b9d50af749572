"""The Faust shell around the core: settings, agents, state, and what runs them."""
