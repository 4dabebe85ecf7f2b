"""TD3 (1802.09477) and DDPG (1509.02971): a deterministic policy."""
