"""What of the letters goes along in an export of our own format: pictures, templates, how letters look, the letters
themselves, and what belongs to them. docs/export-format.md says what stands where."""
