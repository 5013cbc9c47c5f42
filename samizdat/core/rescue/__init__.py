"""After a provider closed an account: which laws apply, what to ask for in which words, and until when they answer."""
