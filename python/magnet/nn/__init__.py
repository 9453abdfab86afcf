"""The parts of the model: propagation, encoders, experts, router, controller, losses."""
