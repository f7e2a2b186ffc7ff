"""What a run has done, as values, tables, plots, documents, comparisons and exports. Nothing here changes a run."""
