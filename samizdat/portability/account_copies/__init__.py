"""Standing copies: an account at another newsletter service is copied here each night, as long as it lives."""
