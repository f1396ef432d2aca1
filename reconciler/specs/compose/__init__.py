"""From files to one effective spec: defaults, manifests, aliases laid into it."""
