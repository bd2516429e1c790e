"""`make evaluate`: what the product's model is worth on every public set there is, beside baselines and yardsticks."""
