"""Search for the settings with which a network learns best, by Optuna; `bluebird.cli.tune` brings the trainings."""
