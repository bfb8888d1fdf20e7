"""What a report says of looks at the held-out rows."""

from __future__ import annotations

from runtime.events import Metric, State
from runtime.run.view import RunView, fold
from runtime.stages.report_content import curves
from runtime.stages.report_looks import early_end, figures
from tests.planner.scenes import plan


def looked(steps: int) -> RunView:
    """Return a training with two looks that ended at a step."""
    return fold(
        [
            Metric(
                t=1, stage="train", step=10, values={"eval_loss": 2.0, "eval_bleu4": 0.1, "eval_rougeL": 0.2}
            ),
            Metric(
                t=2, stage="train", step=20, values={"eval_loss": 2.1, "eval_bleu4": 0.3, "eval_rougeL": 0.4}
            ),
            State(t=3, stage="train", state="committed", outputs={}, figures={"steps": steps}),
        ]
    )


def test_scores_of_answers_are_a_chart() -> None:
    ((title, lines, _),) = figures(curves(looked(20)))
    assert title == "Answers to held-out rows"
    assert {line.name: list(line.points) for line in lines} == {
        "BLEU-4": [(10, 0.1), (20, 0.3)],
        "ROUGE-L": [(10, 0.2), (20, 0.4)],
    }


def test_an_early_end_is_told_with_its_step() -> None:
    made = plan(goal="quality")
    planned = made.value("max_steps")
    told = f"Training ended at step 20 of {planned}: in 3 looks the loss on held-out rows had not fallen."
    assert early_end(made, looked(20)) == told
    assert early_end(made, looked(int(str(planned)))) == ""
    assert early_end(plan(), looked(20)) == ""
