// Loads everything once, then the counts every five seconds while somebody looks.

const PERIOD = 5000;

async function refresh() {
  state.data = await ask("page/data");
  drawHistogram();
  showRecent(state.data.recent, state.data.pod);
}

async function start() {
  const trouble = byId("trouble");
  try {
    state.information = await ask("model_information");
    showCard(state.information);
    await refresh();
    buildForm(state.information.features);
    buildAxes(state.data.features);
  } catch (error) {
    trouble.textContent = `The model cannot be shown: ${error.message}`;
    trouble.hidden = false;
    setTimeout(() => location.reload(), PERIOD);
    return;
  }
  setInterval(async () => {
    if (document.hidden) return;
    try {
      await refresh();
      trouble.hidden = true;
    } catch (error) {
      trouble.textContent = `What is shown is not up to date: ${error.message}`;
      trouble.hidden = false;
    }
  }, PERIOD);
}

start();
