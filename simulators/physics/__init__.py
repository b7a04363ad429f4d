"""The ground, the weather and the machines, as pure functions of scenario time and a seed."""
