"""The export of a whole account of another service: its subscribers, drafts, sent campaigns, templates and images."""
