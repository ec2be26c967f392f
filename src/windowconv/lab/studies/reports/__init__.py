"""What a study found: analysis, tables, the page, the evidence."""
