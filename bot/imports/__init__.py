"""`python -m bot import`: orders and members from CSV files and workbooks."""
