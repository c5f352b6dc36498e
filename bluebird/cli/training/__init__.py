"""What `bluebird train` is made of, one file for each concern.

Before it: `parser`, `devices`, `native`, `recipes`. It: `fitting`. Instead of it: `find`, by `trial`s. Several times:
`seeds`. In several processes: `launch`, `ranks`. When it goes badly: `finite_loss`, `mishaps`, `resume`. After it:
`calibrate`, `card`, `shown`, `told`.
"""
