from training.schedule import (
    LOG_EVERY_STEPS,
    divide_steps_into_calls,
    find_actions_due_after_step,
    plan_step_calls,
)


def test_split_cuts_where_there_is_something_to_do():
    assert list(divide_steps_into_calls(range(10), 4)) == [
        range(1),
        range(1, 5),
        range(5, 9),
        range(9, 10),
    ]
    assert list(divide_steps_into_calls(range(7, 14), 100, 5, 3)) == [
        range(7, 8),
        range(8, 9),
        range(9, 10),
        range(10, 12),
        range(12, 14),
    ]
    assert list(divide_steps_into_calls(range(3), 1, 20)) == [range(k, k + 1) for k in range(3)]
    assert list(divide_steps_into_calls(range(5, 5), 4)) == []


def test_what_is_due_is_at_the_ends_and_at_multiples(tiny):
    config = tiny(sample_freq=30, ckpt_freq=50)
    nothing = (False, False, False)
    middle = {"is_first": False, "is_last": False}
    assert find_actions_due_after_step(config, 7, **middle) == nothing
    assert find_actions_due_after_step(config, 1, is_first=True, is_last=False) == (
        True,
        False,
        False,
    )
    assert find_actions_due_after_step(config, LOG_EVERY_STEPS, **middle) == (True, False, False)
    assert find_actions_due_after_step(config, 30, **middle) == (False, True, False)
    assert find_actions_due_after_step(config, 50, **middle) == (False, False, True)
    assert find_actions_due_after_step(config, 7, is_first=False, is_last=True) == (
        True,
        True,
        True,
    )


def test_every_call_ends_where_something_is_due_or_when_it_is_full(tiny):
    config = tiny(sample_freq=30, ckpt_freq=50)
    calls = list(plan_step_calls(config, range(3, 120), 25))
    assert [step for call in calls for step in call] == list(range(3, 120))
    assert max(map(len, calls)) <= 25
    ends = {call.stop for call in calls}
    due = {step for step in range(4, 121) if step % 20 == 0 or step % 30 == 0 or step % 50 == 0}
    assert due <= ends
