"""Results of runs as values, tables, plots, documents, comparisons and exports.

In a run's folder, nothing here writes outside `reports/`.
"""
