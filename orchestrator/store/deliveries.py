"""Who gets a job's report, and who has it."""

from __future__ import annotations

#: Those who are still to get it, in an order that a repeat keeps.
WAITING = """
SELECT s.email, s.language, n.name AS company, j.fire_time FROM switchyard_job j
JOIN switchyard_tenant n ON n.id = j.tenant_id
JOIN switchyard_subscription s ON s.tenant_id = j.tenant_id AND s.is_active
     AND s.schedule = split_part(j.schedule, ':', 1)
LEFT JOIN switchyard_delivery d ON d.job_id = j.id AND d.email = s.email
WHERE j.id = :job AND coalesce(d.state, 'sending') = 'sending' ORDER BY s.email
"""

BEGUN = """
INSERT INTO switchyard_delivery (job_id, email, state, answer) VALUES (:job, :email, 'sending', '')
ON CONFLICT (job_id, email) DO UPDATE SET at = now()
"""

ENDED = """
UPDATE switchyard_delivery SET state = :state, answer = :answer, at = now() WHERE job_id = :job AND email = :email
"""

COUNTS = """
SELECT count(*) FILTER (WHERE state = 'sent') AS sent, count(*) FILTER (WHERE state = 'refused') AS refused
FROM switchyard_delivery WHERE job_id = :job
"""
