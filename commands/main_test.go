package commands

import (
	"testing"

	"github.com/hooklog/hooklog/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }
