"""What is done to a lane's audio before speech detection: level, offset, noise, and what is told of them."""
