"""The detection of drift of the stack ``shop``, on the stub that checks requests and answers with botocore's description."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.stubs_aws import STACK_ID, Cloud

QUEUE, NESTED = "AWS::SQS::Queue", "AWS::CloudFormation::Stack"
DETECTION = "d3b0-1"


@dataclass
class Detection:
    """What the account finds. ``rows``: of resources, on two pages; ``busy``: how often it is still at work."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    ended: str = "DETECTION_COMPLETE"
    reason: str = ""
    status: str = ""
    busy: int = 1
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def row(self, name: str, status: str = "IN_SYNC", *differences: dict[str, str], **more: Any) -> None:
        """``more``: ``before`` and ``after`` are the properties, ``kind`` the type, ``ago`` seconds before this detection."""
        ago, kind = more.pop("ago", -1), more.pop("kind", QUEUE)
        sides = {
            key: json.dumps(more.pop(side))
            for key, side in (("ExpectedProperties", "before"), ("ActualProperties", "after"))
            if side in more
        }
        self.rows.append(
            {
                "StackId": STACK_ID, "LogicalResourceId": name, "ResourceType": kind, "StackResourceDriftStatus": status,
                "Timestamp": self.began - timedelta(seconds=ago), "PropertyDifferences": list(differences), **sides, **more,
            }
        )  # fmt: skip

    def arm(self, there: Cloud) -> None:
        """Answers of one look."""
        count = sum(row["StackResourceDriftStatus"] in {"MODIFIED", "DELETED"} for row in self.rows)
        ids = {"StackId": STACK_ID, "StackDriftDetectionId": DETECTION, "Timestamp": self.began}
        told = {
            **ids, "DetectionStatus": self.ended, "StackDriftStatus": self.status or ("DRIFTED" if count else "IN_SYNC"),
            "DriftedStackResourceCount": count, **({"DetectionStatusReason": self.reason} if self.reason else {}),
        }  # fmt: skip
        working = {**ids, "DetectionStatus": "DETECTION_IN_PROGRESS"}
        there.answers["DetectStackDrift"] = [{"StackDriftDetectionId": DETECTION}]
        there.answers["DescribeStackDriftDetectionStatus"] = [working] * self.busy + [told]
        there.answers["DescribeStackResourceDrifts"] = [
            {"StackResourceDrifts": self.rows[:1], "NextToken": "more"},
            {"StackResourceDrifts": self.rows[1:]},
        ]


def differs(path: str, wanted: str, found: str, kind: str = "NOT_EQUAL") -> dict[str, str]:
    return {"PropertyPath": path, "ExpectedValue": wanted, "ActualValue": found, "DifferenceType": kind}


def resource(name: str, kind: str = QUEUE, status: str = "UPDATE_COMPLETE") -> dict[str, Any]:
    """A resource as the stack lists it."""
    return {
        "LogicalResourceId": name, "ResourceType": kind, "ResourceStatus": status, "LastUpdatedTimestamp": datetime.now(UTC),
    }  # fmt: skip
