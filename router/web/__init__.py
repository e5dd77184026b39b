"""The live door: HTTP in, HTTP out. One file per group of routes; each gives handlers for the parts it is given."""
