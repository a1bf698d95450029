"""What people see: words, tables and pictures."""
