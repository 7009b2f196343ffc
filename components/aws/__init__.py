"""Components of AWS, or of services that speak its protocols."""
