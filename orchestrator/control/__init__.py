"""What keeps turns and jobs moving: the dispatcher, its relay and the heartbeats."""
