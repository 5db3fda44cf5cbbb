"""The history of the tables, as Alembic runs it. Each step stands for itself and never imports `tables`."""
