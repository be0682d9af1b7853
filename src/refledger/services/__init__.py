"""The shell: one module per thing that happens. Looks things up, asks the core, writes what follows."""
