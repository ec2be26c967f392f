"""What attacks and conditions found: comparisons over seeds, tables, the page."""
