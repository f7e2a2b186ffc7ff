"""The stages of an iteration in the order in which they run."""

from stages.choose_questions import CHOOSE
from stages.draw_instructions import DRAW
from stages.evaluate import EVALUATE
from stages.filter_instructions import FILTER
from stages.generate_instructions import GENERATE
from stages.ppo_update import PPO_UPDATE
from stages.remember_votes import REMEMBER
from stages.sample_responses import SAMPLE, SAMPLE_VOTERS
from stages.try_questions import TRY
from stages.vote_rewards import VOTE

_ORDER = (DRAW, GENERATE, FILTER, TRY, SAMPLE, SAMPLE_VOTERS, VOTE, CHOOSE, REMEMBER, PPO_UPDATE, EVALUATE)
STAGES = {stage.name: stage for stage in _ORDER}
"""Stages of an iteration by name, in order. A run has either DRAW, or GENERATE and FILTER; TRY only with
`filter.answerable`, CHOOSE only with `questions_per_update`, REMEMBER only with `draw.prefer_uncertain`."""
