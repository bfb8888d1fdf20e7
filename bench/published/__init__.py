"""Published measurements of many toolkits, mapped to the planner's terms, so that its formulas can be
tested."""
