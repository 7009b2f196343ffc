"""Where a program reads variables of its environment: in its sources, without running anything of it."""
