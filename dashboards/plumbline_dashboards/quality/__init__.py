"""The page about one version of one model: ``page`` puts together the panels of the other modules."""
