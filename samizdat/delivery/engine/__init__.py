"""The send engine: claims chunks, makes messages out, talks to routes, and writes down what came back."""
