"""Question files as people have them: read in any common form, and turned into questions, options and labels."""
