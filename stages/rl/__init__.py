"""The mathematics of the policy update: pure torch, no files, no processes, to be read beside the papers.

Shapes are in the names:

    B  responses (sequences) of the rollout or of a batch
    T  response tokens, right-padded; position 0 is the first token after the prompt
    G  groups: the responses to one question
    N  response tokens laid end to end, without padding
    H  hidden width of the model
    V  vocabulary

`response_mask_BT` is True on response tokens (the end-of-sequence token included) and False on padding.
"""
