#!/usr/bin/env bash
# Ablation of Soft Actor-Critic on HalfCheetah-v5:
#   benchmarks/ablation.sh ROOT_DIR [more flags of binaries.sweep]
# The deterministic actor explores and smooths its targets with noise of a fixed standard deviation of
# 0.1 before the tanh.
set -euo pipefail
fixed='sac.alpha_step = None; Temperature.initial_alpha ='
fixed_std='clamp_log_std.minimum = -2.303; clamp_log_std.maximum = -2.302'
exec "${PYTHON:-.venv/bin/python}" -m binaries.sweep --root_dir="$1" \
  --gin_file=gin_configs/tasks/half_cheetah.gin \
  --gin_bindings='train.total_steps = 50_000' \
  --variant='full:' \
  --variant="no entropy: $fixed 1e-8" \
  --variant="fixed alpha: $fixed 0.2" \
  --variant='one critic: critic.ensemble_size = 1' \
  --variant="deterministic actor: $fixed 1e-8; $fixed_std" \
  "${@:2}"
