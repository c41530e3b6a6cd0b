"""How the service lives: a supervisor with its workers, what they tell each other, and how a policy is replaced."""
