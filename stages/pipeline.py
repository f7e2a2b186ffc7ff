"""The stages of an iteration in the order in which they run."""

from stages.choose_questions import CHOOSE
from stages.draw_instructions import DRAW
from stages.evaluate import EVALUATE
from stages.filter_instructions import FILTER
from stages.generate_instructions import GENERATE
from stages.ppo_update import PPO_UPDATE
from stages.sample_responses import SAMPLE, SAMPLE_VOTERS
from stages.vote_rewards import VOTE

_ORDER = (DRAW, GENERATE, FILTER, SAMPLE, SAMPLE_VOTERS, VOTE, CHOOSE, PPO_UPDATE, EVALUATE)
STAGES = {stage.name: stage for stage in _ORDER}
"""Stages of an iteration by name, in order. A run has either DRAW, or GENERATE and FILTER; CHOOSE only
with `questions_per_update`."""
