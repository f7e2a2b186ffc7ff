"""The mathematics of the policy update: functions of torch tensors, without files or processes.

A function that follows a paper names it, with section or equation. The names of tensors end in their shapes:

    B  responses (sequences) of the rollout or of a batch
    T  response tokens, right-padded; position 0 is the first token after the prompt
    G  groups: the responses to one question
    N  response tokens of all responses, end to end, without padding
    C  tokens of one chunk of N
    H  hidden width of the model
    V  vocabulary

`response_mask_BT` is True on response tokens (the end-of-sequence token included) and False on padding.
"""
