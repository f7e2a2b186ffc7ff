"""Everything that imports Prefect, except the two flows themselves (`flows.self_play`, `flows.gpu_stages`)."""
