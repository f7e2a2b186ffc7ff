"""Models and data sets of the Hugging Face hub: names, commits, the local cache and downloads.

huggingface_hub reads its environment variables when it is imported, and prints warnings and progress bars of its own.
So only `stages.hub.worker` imports huggingface_hub, in a child process with the user's environment.
"""
