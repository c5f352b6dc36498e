"""What `bluebird tune` is made of: the space that it searches, and the trials in which it does."""
