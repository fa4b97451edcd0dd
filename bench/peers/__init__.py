"""What the product is measured beside: programs of their own, and the code that starts them."""
