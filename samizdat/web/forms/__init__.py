"""What the desk asks. A form reads and says what is wrong with it; it changes nothing."""
