"""Old text by real hands: logs of IRC, exports of Slack, changelogs of Debian."""
